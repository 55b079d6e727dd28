"""The `/minimize` commands in comments: parsing, permissions and answers.

Names are imported on first use, as solving is slow to import.
"""
