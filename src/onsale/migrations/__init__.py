"""Numbered SQL files, applied in order by `onsale.kit.migrate`. `schema.sql` beside this folder shows their sum."""
