-- Rooms that exist get 0: not looked up yet. New ones get null: no update yet.
ALTER TABLE "rooms" ADD COLUMN "first_update_seq" bigint DEFAULT 0;--> statement-breakpoint
ALTER TABLE "rooms" ALTER COLUMN "first_update_seq" DROP DEFAULT;--> statement-breakpoint
-- weft_commit learns seeds: updates that are committed only as the first content of a room. The room's row lock, which
-- numbers events, also decides among seeds. The signature stays, and nodes that know no seeds go on as they did: an entry
-- whose name is -1 is a seed.
--
-- VOLATILE plpgsql, so that every statement below has a snapshot of its own (under READ COMMITTED) and sees what the
-- previous holder of the lock committed. Entry i is (entry_rooms[i], authors[i], ...); rooms, author_names and
-- message_names are dictionaries counted from 1, and 0 means null. An entry with a message name is a message.
-- payload is the entries' payloads end to end.
--
-- One row comes back: a letter for each entry, and a number for each entry, joined with commas.
--   c  committed as seq <number>              d  in the log already, as seq <number>
--   x  conflict: that key is seq <number>     D  as d, of entry <number> (from 1) of this batch
--   f  fenced                                 X  as x, with entry <number> of this batch
--   n  a seed of a room that is not empty
CREATE OR REPLACE FUNCTION weft_commit(
  rooms bigint[], epochs bigint[], author_names text[], message_names text[],
  entry_rooms integer[], authors integer[], clients uuid[], client_seqs bigint[], names integer[],
  lengths integer[], payload bytea,
  OUT statuses text, OUT numbers text
)
LANGUAGE plpgsql VOLATILE
-- A plan made while the tables were empty stays cached while they grow: only index lookups are right for both.
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
DECLARE
  -- By position in rooms: head_seq, or -1 where the epoch is another or the room is gone.
  heads bigint[];
  -- By entry: the first entry of this batch with the same key (negative when the content differs), else itself.
  firsts integer[];
  -- By entry: the seq under which the log has the key (negative when the content differs), else 0.
  logged bigint[];
  committed_at timestamptz;
  seed record;
  -- Of the room's first update: its seq in the log, else its entry in this batch, and whether it is the seed itself.
  first_seq bigint;
  first_entry integer;
  same_key boolean;
  same_content boolean;
BEGIN
  -- In id order, or two nodes with two rooms in common would deadlock.
  PERFORM 1 FROM rooms r WHERE r.id = ANY (weft_commit.rooms) ORDER BY r.id FOR UPDATE;

  SELECT array_agg(CASE WHEN r.epoch = q.epoch AND r.deleted_at IS NULL THEN r.head_seq ELSE -1 END ORDER BY q.i)
  INTO heads
  FROM unnest(weft_commit.rooms, weft_commit.epochs) WITH ORDINALITY AS q(id, epoch, i)
  LEFT JOIN rooms r ON r.id = q.id;

  -- Most batches are updates only, and updates have no key.
  IF cardinality(message_names) > 0 THEN
    SELECT
      array_agg(
        CASE
          WHEN NOT keyed OR e.first = e.i THEN e.i
          WHEN e.name = e.first_name AND substring(weft_commit.payload FROM e.at FOR e.length)
            = substring(weft_commit.payload FROM e.first_at FOR e.first_length) THEN e.first
          ELSE -e.first
        END ORDER BY e.i),
      array_agg(coalesce(l.seq, 0) ORDER BY e.i)
    INTO firsts, logged
    FROM (
      SELECT k.*,
        first_value(k.i) OVER same_key AS first,
        first_value(k.name) OVER same_key AS first_name,
        first_value(k.at) OVER same_key AS first_at,
        first_value(k.length) OVER same_key AS first_length
      FROM (
        SELECT u.i::integer, u.room, u.client, u.client_seq, u.name, u.length,
          coalesce(author_names[u.author], '') AS author,
          u.name > 0 AND u.client IS NOT NULL AND u.client_seq IS NOT NULL AS keyed,
          (sum(u.length) OVER (ORDER BY u.i) - u.length + 1)::integer AS at
        FROM unnest(entry_rooms, authors, clients, client_seqs, names, lengths)
          WITH ORDINALITY AS u(room, author, client, client_seq, name, length, i)
      ) k
      WINDOW same_key AS (PARTITION BY k.keyed, k.room, k.author, k.client, k.client_seq ORDER BY k.i)
    ) e
    LEFT JOIN LATERAL (
      SELECT CASE
          WHEN v.name = message_names[e.name] AND v.payload = substring(weft_commit.payload FROM e.at FOR e.length) THEN v.seq
          ELSE -v.seq
        END AS seq
      FROM events v
      WHERE e.keyed AND v.kind = 1 AND v.room_id = weft_commit.rooms[e.room] AND coalesce(v.author, '') = e.author
        AND v.client_id = e.client AND v.client_seq = e.client_seq
      LIMIT 1
    ) l ON true;
  END IF;

  -- Seeds: `firsts` is 0 for one that is refused.
  IF -1 = ANY (names) THEN
    firsts := coalesce(firsts, ARRAY(SELECT generate_series(1, cardinality(names))));
    logged := coalesce(logged, array_fill(0::bigint, ARRAY[cardinality(names)]));
    FOR seed IN
      SELECT * FROM (
        SELECT u.i::integer AS i, u.room, u.client, u.client_seq, u.name, u.length,
          coalesce(author_names[u.author], '') AS author,
          (sum(u.length) OVER (ORDER BY u.i) - u.length + 1)::integer AS at,
          first_value(u.i) OVER (PARTITION BY u.room, u.name <= 0 ORDER BY u.i)::integer AS first_entry
        FROM unnest(entry_rooms, authors, clients, client_seqs, names, lengths)
          WITH ORDINALITY AS u(room, author, client, client_seq, name, length, i)
      ) e
      WHERE e.name = -1 AND heads[e.room] >= 0
      ORDER BY e.i
    LOOP
      SELECT r.first_update_seq INTO first_seq FROM rooms r WHERE r.id = weft_commit.rooms[seed.room];
      IF first_seq = 0 THEN
        SELECT min(v.seq) INTO first_seq FROM (
          SELECT e.seq FROM events e
          WHERE e.room_id = weft_commit.rooms[seed.room] AND e.kind = 0
          ORDER BY e.seq LIMIT 1
        ) v;
        UPDATE rooms r SET first_update_seq = first_seq WHERE r.id = weft_commit.rooms[seed.room];
      END IF;

      IF first_seq IS NOT NULL THEN
        SELECT v.client_id = seed.client AND v.client_seq = seed.client_seq AND coalesce(v.author, '') = seed.author,
          v.payload = substring(weft_commit.payload FROM seed.at FOR seed.length)
        INTO same_key, same_content
        FROM events v
        WHERE v.room_id = weft_commit.rooms[seed.room] AND v.seq = first_seq;
        IF same_key THEN
          logged[seed.i] := CASE WHEN same_content THEN first_seq ELSE -first_seq END;
        ELSE
          firsts[seed.i] := 0;
        END IF;
      ELSIF EXISTS (
        -- An empty document is a snapshot of two bytes: that of a room with messages only.
        SELECT 1 FROM snapshots s
        WHERE s.room_id = weft_commit.rooms[seed.room] AND s.seq >= 0 AND (s.part > 0 OR octet_length(s.state) > 2)
      ) THEN
        firsts[seed.i] := 0;
      ELSIF seed.first_entry < seed.i THEN
        first_entry := seed.first_entry;
        IF clients[first_entry] = seed.client AND client_seqs[first_entry] = seed.client_seq
          AND coalesce(author_names[authors[first_entry]], '') = seed.author THEN
          SELECT substring(weft_commit.payload FROM coalesce(sum(l), 0)::integer + 1 FOR lengths[first_entry])
            = substring(weft_commit.payload FROM seed.at FOR seed.length)
          INTO same_content
          FROM unnest(lengths[1:first_entry - 1]) AS l;
          firsts[seed.i] := CASE WHEN same_content THEN first_entry ELSE -first_entry END;
        ELSE
          firsts[seed.i] := 0;
        END IF;
      END IF;
    END LOOP;
  END IF;

  -- After the lock, so that times and seqs of a room agree in order.
  committed_at := clock_timestamp();

  WITH entry AS MATERIALIZED (
    SELECT u.i, u.room, u.author, u.client, u.client_seq, u.name, u.length,
      heads[u.room] AS head,
      coalesce(firsts[u.i], u.i) AS first,
      coalesce(logged[u.i], 0) AS logged,
      (sum(u.length) OVER (ORDER BY u.i) - u.length + 1)::integer AS at
    FROM unnest(entry_rooms, authors, clients, client_seqs, names, lengths)
      WITH ORDINALITY AS u(room, author, client, client_seq, name, length, i)
  ), numbered AS MATERIALIZED (
    SELECT e.*,
      e.head >= 0 AND e.logged = 0 AND e.first = e.i AS fresh,
      e.head + count(*) FILTER (WHERE e.head >= 0 AND e.logged = 0 AND e.first = e.i)
        OVER (PARTITION BY e.room ORDER BY e.i) AS seq
    FROM entry e
  ), appended AS (
    INSERT INTO events (room_id, seq, kind, author, client_id, client_seq, name, payload, created_at)
    SELECT weft_commit.rooms[n.room], n.seq, CASE WHEN n.name > 0 THEN 1 ELSE 0 END, author_names[n.author],
      n.client, n.client_seq, message_names[n.name], substring(weft_commit.payload FROM n.at FOR n.length), committed_at
    FROM numbered n
    WHERE n.fresh
    ORDER BY n.i
  ), advanced AS (
    UPDATE rooms r SET head_seq = h.seq, first_update_seq = coalesce(r.first_update_seq, h.first_update_seq)
    FROM (
      SELECT n.room, max(n.seq) AS seq, min(n.seq) FILTER (WHERE n.name <= 0) AS first_update_seq
      FROM numbered n
      WHERE n.fresh
      GROUP BY n.room
    ) h
    WHERE r.id = weft_commit.rooms[h.room]
  )
  SELECT
    string_agg(
      CASE
        WHEN n.head < 0 THEN 'f'
        WHEN n.fresh THEN 'c'
        WHEN n.logged > 0 THEN 'd'
        WHEN n.logged < 0 THEN 'x'
        WHEN n.first = 0 THEN 'n'
        WHEN n.first > 0 THEN 'D'
        ELSE 'X'
      END, '' ORDER BY n.i),
    string_agg(
      CASE
        WHEN n.fresh THEN n.seq
        WHEN n.logged <> 0 THEN abs(n.logged)
        ELSE abs(n.first)
      END::text, ',' ORDER BY n.i)
  INTO statuses, numbers
  FROM numbered n;
END
$$;
