"""From what people say to what is carried out: the tables made of the verbs, the typed words, the
worker behind the inbox, and the doors that are no commands.
"""
