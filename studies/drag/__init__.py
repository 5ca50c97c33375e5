"""Qualitative drags of faces: does the head turn, what moves besides the mouth, and how precise is the tracker?"""
