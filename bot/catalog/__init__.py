"""gonogo.yaml to plain values; mistakes are reported with file, line and remedy."""
