"""What the teacher knows: measured, composed, checked. No framework, no event."""
