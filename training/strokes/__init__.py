"""What a stroke looks like: the template by which vision tells the striking wrist."""
