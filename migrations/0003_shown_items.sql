-- What a model was shown of an item whose files had to become text first: the item with text in
-- their place. Later turns read it instead of the body, which stays what the client sent. Null: the
-- body itself was shown.
ALTER TABLE items ADD COLUMN shown bytea;

DO $$
BEGIN
    ALTER TABLE items ALTER COLUMN shown SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    ALTER TABLE items ALTER COLUMN shown SET STORAGE EXTERNAL;
END
$$;
