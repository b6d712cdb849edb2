-- The catalogue's SQL. Times that depend on the moment take it as a parameter.

-- name: list_events
-- Soonest first, read along the index on starts_at from where the last page ended, until the page is full. The status is
-- model.status_of in SQL; what has ended is not here, and `floor_at` keeps years of history out of the scan.
SELECT e.event_id
FROM event AS e
JOIN venue AS v ON v.venue_id = e.venue_id
JOIN genre AS g ON g.slug = e.genre
WHERE (e.starts_at, e.event_id) > (%(after_at)s::timestamptz, %(after_id)s::bigint)
    AND e.starts_at >= %(floor_at)s::timestamptz
    AND e.starts_at <= %(ceiling_at)s::timestamptz
    AND e.ends_at > %(now)s::timestamptz
    AND (e.said IS NOT NULL OR e.closes_at > %(now)s)
    AND (%(city)s::text IS NULL OR lower(v.city) = lower(%(city)s))
    AND (%(genre)s::text IS NULL OR e.genre = %(genre)s)
    AND (e.title || ' ' || v.name || ' ' || v.city || ' ' || g.name) ILIKE ALL (%(patterns)s::text[])
    AND (
        %(status)s::text IS NULL
        OR %(status)s = CASE
            WHEN e.said IS NOT NULL THEN e.said
            WHEN e.opens_at > %(now)s OR NOT e.on_sale THEN 'UPCOMING'
            WHEN (SELECT bool_and(coalesce(t.seats_left, 1) = 0) FROM tier AS t WHERE t.event_id = e.event_id)
                THEN 'SOLD_OUT'
            ELSE 'OPEN'
        END
    )
ORDER BY e.starts_at, e.event_id
LIMIT %(rows)s;

-- name: list_ended_events
-- The history, latest first; `floor_at` is where the past that was asked for begins, `ceiling_at` where it ends.
SELECT e.event_id
FROM event AS e
JOIN venue AS v ON v.venue_id = e.venue_id
JOIN genre AS g ON g.slug = e.genre
WHERE (e.starts_at, e.event_id) < (%(after_at)s::timestamptz, %(after_id)s::bigint)
    AND e.starts_at >= %(floor_at)s::timestamptz
    AND e.starts_at <= %(ceiling_at)s::timestamptz
    AND e.said IS NULL
    AND (e.ends_at <= %(now)s::timestamptz OR e.closes_at <= %(now)s)
    AND (%(city)s::text IS NULL OR lower(v.city) = lower(%(city)s))
    AND (%(genre)s::text IS NULL OR e.genre = %(genre)s)
    AND (e.title || ' ' || v.name || ' ' || v.city || ' ' || g.name) ILIKE ALL (%(patterns)s::text[])
ORDER BY e.starts_at DESC, e.event_id DESC
LIMIT %(rows)s;

-- name: events_by_id
-- Many at once: whoever asks while a read is under way shares the next, and a page of a list is one read. The columns
-- are the fields of model.Event in their order, then the organiser's and the venue's.
SELECT
    e.event_id, e.slug, e.title, e.summary, e.description, e.image, e.genre, g.name,
    e.starts_at, e.doors_at, e.ends_at, e.opens_at, e.closes_at, e.said, e.on_sale,
    e.currency, e.hold_s, e.seats_per_hold, e.seats_per_person, e.several_holds, e.guests,
    e.chart_id, c.hash, c.seats,
    o.organiser_id, o.slug, o.name,
    v.venue_id, v.slug, v.name, v.address, v.city, v.country, v.latitude, v.longitude, v.timezone
FROM event AS e
JOIN genre AS g ON g.slug = e.genre
JOIN organiser AS o ON o.organiser_id = e.organiser_id
JOIN venue AS v ON v.venue_id = e.venue_id
LEFT JOIN chart AS c ON c.chart_id = e.chart_id
WHERE e.event_id = ANY (%(event_ids)s::bigint[]);

-- name: tiers_of
-- The tiers of a page of events, in the order the organiser gave them.
SELECT event_id, tier, name, zones, face_minor, fee_minor, colour, seats_left
FROM tier
WHERE event_id = ANY (%(event_ids)s::bigint[])
ORDER BY event_id, tier;

-- name: cities_to_come
-- Cities that have something to come; no more than a list in a form can bear.
SELECT DISTINCT v.city
FROM event AS e
JOIN venue AS v ON v.venue_id = e.venue_id
WHERE e.starts_at >= %(floor_at)s::timestamptz AND e.ends_at > %(now)s::timestamptz
ORDER BY v.city
LIMIT %(rows_max)s;

-- name: genres_to_come
-- Genres that have something to come.
SELECT g.slug, g.name
FROM genre AS g
WHERE EXISTS (
    SELECT FROM event AS e
    WHERE e.genre = g.slug AND e.starts_at >= %(floor_at)s::timestamptz AND e.ends_at > %(now)s::timestamptz
)
ORDER BY g.name
LIMIT %(rows_max)s;

-- name: chart_body
-- The bytes as they were stored: their hash is their address. Two venues may share a chart, so any row will do.
SELECT body FROM chart WHERE hash = %(hash)s LIMIT 1;

-- name: insert_organiser
-- Nothing comes back when the slug is somebody else's.
INSERT INTO organiser (slug, name) VALUES (%(slug)s, %(name)s)
ON CONFLICT (slug) DO NOTHING
RETURNING organiser_id;

-- name: organiser_named
-- By slug, so that a seed can tell that it ran before.
SELECT organiser_id FROM organiser WHERE slug = %(slug)s;

-- name: insert_member
-- Twice is as good as once.
INSERT INTO organiser_member (organiser_id, person) VALUES (%(organiser_id)s, %(person)s) ON CONFLICT DO NOTHING;

-- name: is_member
-- Whether a person may act for an organiser.
SELECT EXISTS (
    SELECT FROM organiser_member WHERE organiser_id = %(organiser_id)s::bigint AND person = %(person)s::uuid
);

-- name: insert_venue
-- Nothing comes back when the slug, made of name and city, is another venue's.
INSERT INTO venue (slug, name, address, city, country, latitude, longitude, timezone)
VALUES (
    %(slug)s, %(name)s, %(address)s, %(city)s, %(country)s,
    %(latitude)s::double precision, %(longitude)s::double precision, %(timezone)s
)
ON CONFLICT (slug) DO NOTHING
RETURNING venue_id;

-- name: venue_named
-- By slug, so that a seed goes on where an earlier one was interrupted.
SELECT venue_id FROM venue WHERE slug = %(slug)s;

-- name: lock_venue
-- Two charts of one venue that arrive together get their versions one after the other.
SELECT venue_id FROM venue WHERE venue_id = %(venue_id)s::bigint FOR NO KEY UPDATE;

-- name: insert_chart
-- Under the venue's lock. A chart this venue already has is not stored again: it keeps its first version.
INSERT INTO chart (venue_id, version, hash, name, seats, zones, body)
SELECT
    %(venue_id)s, coalesce(max(c.version), 0) + 1, %(hash)s, %(name)s, %(seats)s::integer, %(zones)s::text[], %(body)s::bytea
FROM chart AS c
WHERE c.venue_id = %(venue_id)s::bigint
ON CONFLICT (venue_id, hash) DO NOTHING;

-- name: grounds
-- What new events stand on: each venue named, beside those of its charts that are named too.
SELECT v.venue_id, c.hash, c.chart_id, c.zones
FROM venue AS v
LEFT JOIN chart AS c ON c.venue_id = v.venue_id AND c.hash = ANY (%(hashes)s::text[])
WHERE v.venue_id = ANY (%(venue_ids)s::bigint[]);

-- name: events_named
-- Those of the venues' events that have one of these names, oldest first.
SELECT venue_id, slug, event_id
FROM event
WHERE venue_id = ANY (%(venue_ids)s::bigint[]) AND slug = ANY (%(slugs)s::text[])
ORDER BY event_id;

-- name: insert_genre
-- The first event of a genre brings its name with it.
INSERT INTO genre (slug, name) VALUES (%(slug)s, %(name)s) ON CONFLICT (slug) DO NOTHING;

-- name: insert_event
-- Checked before by draft.check_event; the constraints of the table are what remains if that has a bug.
INSERT INTO event (
    organiser_id, venue_id, chart_id, genre, slug, title, summary, description, image, starts_at, doors_at, ends_at,
    opens_at, closes_at, currency, hold_s, seats_per_hold, seats_per_person, several_holds, guests
) VALUES (
    %(organiser_id)s, %(venue_id)s, %(chart_id)s, %(genre)s, %(slug)s, %(title)s, %(summary)s, %(description)s, %(image)s,
    %(starts_at)s, %(doors_at)s, %(ends_at)s, %(opens_at)s, %(closes_at)s, %(currency)s, %(hold_s)s, %(seats_per_hold)s,
    %(seats_per_person)s, %(several_holds)s, %(guests)s
)
RETURNING event_id;

-- name: insert_tier
-- One price class of a new event.
INSERT INTO tier (event_id, tier, name, zones, face_minor, fee_minor, colour)
VALUES (
    %(event_id)s, %(tier)s, %(name)s, %(zones)s::smallint[], %(face_minor)s, %(fee_minor)s, %(colour)s
);

-- name: say
-- The organiser's word, or NULL to take it back.
UPDATE event SET said = %(said)s::text WHERE event_id = %(event_id)s::bigint RETURNING event_id;

-- name: lock_event
-- Two who put one event on sale do it one after the other, and what they copy stays as it is until they commit.
SELECT event_id FROM event WHERE event_id = %(event_id)s::bigint FOR NO KEY UPDATE;

-- name: mark_on_sale
-- In the transaction that laid down the seats.
UPDATE event SET on_sale = true WHERE event_id = %(event_id)s::bigint RETURNING event_id;

-- name: tell_left
-- Only tiers that changed are written, so that a quiet event makes no dead rows.
UPDATE tier AS t
SET seats_left = told.seats_left
FROM unnest(%(tiers)s::smallint[], %(lefts)s::integer[]) AS told (tier, seats_left)
WHERE t.event_id = %(event_id)s::bigint AND t.tier = told.tier AND t.seats_left IS DISTINCT FROM told.seats_left;

-- name: is_empty
-- A new installation is filled with a demo season; one that has ever had an event is somebody's own.
SELECT NOT EXISTS (SELECT FROM event);
