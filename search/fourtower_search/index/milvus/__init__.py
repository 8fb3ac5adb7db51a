"""Milvus behind the ports: the only package that talks to it, and `connection` its only module that knows pymilvus."""
