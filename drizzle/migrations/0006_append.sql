-- weft_append appends a batch of updates, which have no key: nothing to recognise, nobody to ask. What weft_commit does for them
-- with windows and sorts the node has counted beforehand: how many entries each room has, and which of them each entry is.
-- Half the work of a commit falls away; what is left is mostly the insert.
--
-- rooms stand in id order and are locked in that order, as weft_commit locks them, or two nodes with two rooms in common would
-- deadlock: with the settings below the only plan takes the arrays from the front and looks each room up by its id. The update
-- waits for the last holder of the lock and counts from what that one committed.
--
-- Entry i is entry ordinals[i] (from 1) of rooms[entry_rooms[i]]; authors[i] is a place in author_names, 0 for none;
-- its payload is lengths[i] bytes from offsets[i] on (from 1).
--
-- By room: head_seq before this batch, so that entry i has the seq heads[entry_rooms[i]] + ordinals[i]; -1 where the epoch is
-- another or the room is gone.
CREATE FUNCTION weft_append(
  rooms bigint[], epochs bigint[], counts integer[], author_names text[],
  entry_rooms integer[], ordinals integer[], authors integer[], clients uuid[], client_seqs bigint[],
  offsets integer[], lengths integer[], payload bytea,
  OUT heads bigint[]
)
LANGUAGE plpgsql VOLATILE
-- A plan made while the tables were empty stays cached while they grow: only index lookups are right for both.
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
DECLARE
  -- Places in rooms that were found, and their heads.
  found integer[];
  found_heads bigint[];
  committed_at timestamptz;
BEGIN
  WITH advanced AS (
    UPDATE rooms r SET head_seq = r.head_seq + q.n, first_update_seq = coalesce(r.first_update_seq, r.head_seq + 1)
    FROM unnest(weft_append.rooms, epochs, counts) WITH ORDINALITY AS q(id, epoch, n, i)
    -- Not "deleted_at IS NULL": the partial index on it would be taken for a way to the rows.
    WHERE r.id = q.id AND q.epoch = CASE WHEN r.deleted_at IS NULL THEN r.epoch END
    RETURNING q.i, r.head_seq - q.n AS head
  )
  SELECT array_agg(a.i ORDER BY a.i), array_agg(a.head ORDER BY a.i) INTO found, found_heads FROM advanced a;
  IF cardinality(found) = cardinality(rooms) THEN
    heads := found_heads;
  ELSE
    heads := array_fill(-1::bigint, ARRAY[cardinality(rooms)]);
    FOR at IN 1 .. coalesce(cardinality(found), 0) LOOP
      heads[found[at]] := found_heads[at];
    END LOOP;
  END IF;

  -- After the lock, so that times and seqs of a room agree in order.
  committed_at := clock_timestamp();
  INSERT INTO events (room_id, seq, kind, author, client_id, client_seq, name, payload, created_at)
  SELECT weft_append.rooms[u.room], heads[u.room] + u.ordinal, 0, author_names[u.author],
    u.client, u.client_seq, NULL, substring(weft_append.payload FROM u.at FOR u.length), committed_at
  FROM unnest(entry_rooms, ordinals, authors, clients, client_seqs, offsets, lengths)
    AS u(room, ordinal, author, client, client_seq, at, length)
  WHERE heads[u.room] >= 0;
END
$$;
