"""How true what the teacher says of a part is."""
