"""Sign policy audits with keys nobody can copy, and let anyone check them offline."""

__version__ = "0.1.0"
