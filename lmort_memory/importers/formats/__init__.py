"""The formats that can be imported, one small module each; `registry.py` lists them."""
