"""How several documents become one."""
