"""The notes as code and as a document: see README.md beside this file."""
