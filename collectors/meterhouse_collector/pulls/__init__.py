"""One module per vendor whose reports we pull; discovered by the command, listed nowhere."""
