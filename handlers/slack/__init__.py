"""One module per verb: command, modal and button together."""
