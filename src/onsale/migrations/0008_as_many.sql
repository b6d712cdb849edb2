-- Whoever writes knows how many rows they meant, and a write that misses one must not commit. Asked of PostgreSQL itself, the
-- check needs no answer before the COMMIT, which so travels with the writes: a round trip less for every batch.
CREATE FUNCTION as_many(written bigint, meant integer, otherwise text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF written <> meant THEN
        RAISE EXCEPTION 'wrote % rows instead of %', written, meant USING ERRCODE = otherwise;
    END IF;
END
$$;
