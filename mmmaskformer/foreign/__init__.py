"""What comes out of files of others is data: it is checked before use, and none of it runs.

``values`` checks single values, ``json_text`` reads JSON, ``literals`` reads and writes configs that are data alone,
``metainfo`` reads what a checkpoint says about its classes, and ``configs`` decides which stored configs are accepted.
"""
