"""The embedded workspace, the demo's world and the scripted story."""
