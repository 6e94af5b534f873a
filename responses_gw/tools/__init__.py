"""What the gateway runs itself, between two rounds of the model. Each tool has a folder."""
