"""The area classifier: network, training recipe, dense features, area map; networks trained by
others.
"""
