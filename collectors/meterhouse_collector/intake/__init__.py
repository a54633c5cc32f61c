"""The organisation's intake: takes segments and OTLP over HTTP, knows who sends by a token, stores before it answers."""
