"""CI providers, one module each. ``local`` runs a repository's own
pipeline.yml as real processes.
"""
