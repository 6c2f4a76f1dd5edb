"""What the bot looks like: cards, words, ids, the announcer, the client."""
