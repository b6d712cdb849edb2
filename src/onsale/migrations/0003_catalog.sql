-- What is on: organisers, venues and their charts, genres, events and their price tiers.

CREATE TABLE organiser (
    organiser_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL
);

-- Who may act for an organiser.
CREATE TABLE organiser_member (
    organiser_id bigint NOT NULL REFERENCES organiser,
    person uuid NOT NULL,
    PRIMARY KEY (organiser_id, person)
);

CREATE TABLE venue (
    venue_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    address text NOT NULL DEFAULT '',
    city text NOT NULL,
    country text NOT NULL,
    latitude double precision,
    longitude double precision,
    timezone text NOT NULL,
    CONSTRAINT venue_on_earth CHECK (
        (latitude IS NULL) = (longitude IS NULL)
        AND latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180
    )
);
CREATE INDEX venue_city ON venue (lower(city));

-- A chart never changes: a new version is a new row. Its hash is its address, so browsers may keep it for ever.
CREATE TABLE chart (
    chart_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue_id bigint NOT NULL REFERENCES venue,
    version integer NOT NULL,
    hash text NOT NULL,
    name text NOT NULL,
    seats integer NOT NULL CHECK (seats > 0),
    -- The names of its price zones, so that an event can be priced without reading a body of a megabyte.
    zones text[] NOT NULL CHECK (cardinality(zones) > 0),
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    UNIQUE (venue_id, version),
    UNIQUE (venue_id, hash)
);
CREATE INDEX chart_hash ON chart (hash);

CREATE TABLE genre (
    slug text PRIMARY KEY,
    name text NOT NULL
);

-- Status is derived from the times and the seats left, never typed in; only `said` is the organiser's word.
CREATE TABLE event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organiser_id bigint NOT NULL REFERENCES organiser,
    venue_id bigint NOT NULL REFERENCES venue,
    chart_id bigint REFERENCES chart,
    genre text NOT NULL REFERENCES genre,
    slug text NOT NULL,
    title text NOT NULL,
    summary text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    -- A path of ours, never another site's: a visitor's browser tells nobody else what it looks at.
    image text CHECK (image LIKE '/static/%'),
    starts_at timestamptz NOT NULL,
    doors_at timestamptz,
    ends_at timestamptz NOT NULL,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    said text,
    currency text NOT NULL,
    hold_s integer NOT NULL,
    seats_per_hold integer NOT NULL,
    seats_per_person integer NOT NULL,
    several_holds boolean NOT NULL DEFAULT false,
    guests boolean NOT NULL DEFAULT true,
    on_sale boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    CONSTRAINT event_times_in_order CHECK (opens_at <= closes_at AND starts_at <= ends_at),
    -- What is still to come then lies in one stretch of the index on starts_at, however long the history grows.
    CONSTRAINT event_length CHECK (ends_at - starts_at <= interval '31 days'),
    CONSTRAINT event_said_known CHECK (said IN ('CANCELLED', 'POSTPONED')),
    CONSTRAINT event_currency_iso CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT event_limits CHECK (
        hold_s BETWEEN 1 AND 3600 AND seats_per_hold BETWEEN 1 AND 100 AND seats_per_person BETWEEN 1 AND 10000
    )
);
CREATE INDEX event_starts_at ON event (starts_at, event_id);
CREATE INDEX event_genre ON event (genre, starts_at);
CREATE INDEX event_venue ON event (venue_id, starts_at);

-- A price class of an event: the chart's price zones it covers, and what a seat there costs with everything in.
CREATE TABLE tier (
    event_id bigint NOT NULL REFERENCES event ON DELETE CASCADE,
    tier smallint NOT NULL,
    name text NOT NULL,
    zones smallint[] NOT NULL,
    face_minor bigint NOT NULL CHECK (face_minor >= 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    colour text NOT NULL CHECK (colour ~ '^#[0-9a-f]{6}$'),
    -- Told by inventory about once a second while seats change; NULL until the event is on sale.
    seats_left integer,
    PRIMARY KEY (event_id, tier)
);
