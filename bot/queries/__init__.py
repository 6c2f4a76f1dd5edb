"""Questions, answered for Slack, the terminal and the web alike: the card, the board, the history,
and whether something may go. Nothing is changed by them.
"""
