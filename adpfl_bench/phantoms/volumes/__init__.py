"""Phantoms of CT and MRI: anatomy in millimetres, looked at by the scanners of several sites, written as NIfTI."""
