"""What the service costs, measured beside a byte passthrough on the same server (`bin/bench`)."""
