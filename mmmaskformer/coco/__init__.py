"""COCO's file formats: what a right file is, said once.

``schema`` parses JSON and checks it, ``panoptic_json`` and ``instance_json`` are the two formats, ``panoptic_png`` is
the map of segments beside the first.
"""
