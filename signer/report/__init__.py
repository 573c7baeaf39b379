"""What a person or a later step gets to read of a job."""
