"""One module per agent; discovered by the reader, listed nowhere."""
