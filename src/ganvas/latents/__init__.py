"""Latents: codes that know their space, and the ways between spaces."""
