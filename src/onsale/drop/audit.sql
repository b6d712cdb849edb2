-- What the referee asks after, and during, an on-sale. Each query returns the rows that BREAK an invariant of design.md
-- section 3; none is good. They say in other words what the schema's constraints and the code already promise: a check that
-- trusted the same column as the code it checks would be fooled together with it.
--
-- Codes, as in the migrations: seat 0 free, 1 held, 2 sold, 3 not for sale · hold 1 active, 2 run out, 3 released,
-- 4 replaced, 5 sold · ticket 1 valid, 2 used, 3 void · order 1 pending, 2 paid, 3 confirmed, 4 lost,
-- 5 capture_failed · payment 1 authorising, 2 capturing, 3 captured, 4 declined, 5 voiding, 6 voided, 7 refunding, 8 refunded,
-- 9 capture_failed. Ended holds are deleted after an hour, so no check needs an ended hold to be there.

-- name: seat_with_two_tickets
-- Invariant 1: a valid ticket is unique per seat.
SELECT shard_id, seat_no, count(*) AS tickets
FROM ticket WHERE state IN (1, 2)
GROUP BY shard_id, seat_no HAVING count(*) > 1;

-- name: sold_seat_without_its_ticket
-- Invariants 1 and 4: a sold seat has a valid ticket of the order that bought it.
SELECT s.shard_id, s.seat_no, s.order_id
FROM seat s
LEFT JOIN ticket t ON t.shard_id = s.shard_id AND t.seat_no = s.seat_no AND t.order_id = s.order_id AND t.state IN (1, 2)
WHERE s.state = 2 AND t.ticket_id IS NULL;

-- name: ticket_without_its_seat
-- Invariants 1 and 4: a valid ticket is for a seat that is sold, to the same order.
SELECT t.shard_id, t.ticket_id, t.seat_no, t.order_id, s.state AS seat_state, s.order_id AS seat_order_id
FROM ticket t
LEFT JOIN seat s ON s.shard_id = t.shard_id AND s.seat_no = t.seat_no
WHERE t.state IN (1, 2) AND (s.state = 2 AND s.order_id = t.order_id) IS NOT TRUE;

-- name: sold_seat_without_its_order
-- Invariant 1: a sold seat is an item of exactly one order, and that order is paid or confirmed.
SELECT s.shard_id, s.seat_no, s.order_id, count(o.order_id) AS orders
FROM seat s
LEFT JOIN order_item i ON i.seat_shard_id = s.shard_id AND i.seat_no = s.seat_no AND i.order_id = s.order_id
LEFT JOIN orders o ON o.shard_id = i.shard_id AND o.order_id = i.order_id AND o.state IN (2, 3)
WHERE s.state = 2
GROUP BY s.shard_id, s.seat_no, s.order_id HAVING count(o.order_id) <> 1;

-- name: seat_in_two_orders
-- Invariant 1: two paid or confirmed orders never have the same seat among their items.
SELECT i.seat_shard_id, i.seat_no, count(*) AS orders
FROM order_item i
JOIN orders o ON o.shard_id = i.shard_id AND o.order_id = i.order_id AND o.state IN (2, 3)
GROUP BY i.seat_shard_id, i.seat_no HAVING count(*) > 1;

-- name: seat_in_two_holds
-- Invariant 1: two live holds never list the same seat.
SELECT h.shard_id, listed.seat_no, count(*) AS holds
FROM hold h CROSS JOIN unnest(h.seats) AS listed (seat_no)
WHERE h.state = 1 AND h.expires_at > statement_timestamp()
GROUP BY h.shard_id, listed.seat_no HAVING count(*) > 1;

-- name: held_seat_without_its_hold
-- Invariant 1: a held seat carries an active hold that lists it and has the same deadline, past or not: a hold becomes
-- run out together with its seats becoming free.
SELECT s.shard_id, s.seat_no, s.hold_id, h.state AS hold_state, s.held_until, h.expires_at
FROM seat s
LEFT JOIN hold h ON h.shard_id = s.shard_id AND h.hold_id = s.hold_id
WHERE s.state = 1 AND (h.state = 1 AND s.seat_no = ANY (h.seats) AND s.held_until = h.expires_at) IS NOT TRUE;

-- name: free_seat_of_an_ended_hold
-- Invariant 2: a free seat names no hold, or one that ran out and lists it: only such a one may still be completed.
SELECT s.shard_id, s.seat_no, s.hold_id, h.state AS hold_state
FROM seat s
JOIN hold h ON h.shard_id = s.shard_id AND h.hold_id = s.hold_id
WHERE s.state = 0 AND NOT (h.state = 2 AND s.seat_no = ANY (h.seats));

-- name: hold_not_whole
-- Invariant 2: a live hold has all of its seats.
SELECT h.shard_id, h.hold_id, listed.seat_no, s.state AS seat_state, s.hold_id AS seat_hold_id
FROM hold h
CROSS JOIN unnest(h.seats) AS listed (seat_no)
LEFT JOIN seat s ON s.shard_id = h.shard_id AND s.seat_no = listed.seat_no
WHERE h.state = 1 AND h.expires_at > statement_timestamp() AND (s.state = 1 AND s.hold_id = h.hold_id) IS NOT TRUE;

-- name: hold_sold_in_part
-- Invariant 2: every hold of a paid or confirmed order is sold, with every one of its seats.
SELECT o.shard_id, o.order_id, h.hold_id, h.state AS hold_state, listed.seat_no, s.state AS seat_state, s.order_id AS seat_order_id
FROM orders o
JOIN order_hold oh ON oh.shard_id = o.shard_id AND oh.order_id = o.order_id
JOIN hold h ON h.shard_id = oh.hold_shard_id AND h.hold_id = oh.hold_id
CROSS JOIN unnest(h.seats) AS listed (seat_no)
LEFT JOIN seat s ON s.shard_id = h.shard_id AND s.seat_no = listed.seat_no
WHERE o.state IN (2, 3) AND (h.state = 5 AND s.state = 2 AND s.order_id = o.order_id) IS NOT TRUE;

-- name: hold_sold_twice
-- Invariants 1 and 4: no hold is in two paid or confirmed orders.
SELECT oh.hold_shard_id, oh.hold_id, count(*) AS orders
FROM order_hold oh
JOIN orders o ON o.shard_id = oh.shard_id AND o.order_id = oh.order_id AND o.state IN (2, 3)
GROUP BY oh.hold_shard_id, oh.hold_id HAVING count(*) > 1;

-- name: order_without_its_tickets
-- Invariant 4: a paid or confirmed order has a valid ticket for each of its items, and has items.
SELECT o.shard_id, o.order_id, o.state, i.seat_no
FROM orders o
LEFT JOIN order_item i ON i.shard_id = o.shard_id AND i.order_id = o.order_id
LEFT JOIN ticket t
    ON t.shard_id = i.seat_shard_id AND t.seat_no = i.seat_no
    AND t.order_shard_id = o.shard_id AND t.order_id = o.order_id AND t.state IN (1, 2)
WHERE o.state IN (2, 3) AND t.ticket_id IS NULL;

-- name: ticket_without_its_order
-- Invariant 4: a valid ticket is for an item of an order that is paid or confirmed.
SELECT t.shard_id, t.ticket_id, t.seat_no, t.order_id, i.seat_no AS item_seat_no, o.state AS order_state
FROM ticket t
LEFT JOIN order_item i
    ON i.shard_id = t.order_shard_id AND i.order_id = t.order_id
    AND i.seat_shard_id = t.shard_id AND i.seat_no = t.seat_no
LEFT JOIN orders o ON o.shard_id = i.shard_id AND o.order_id = i.order_id
WHERE t.state IN (1, 2) AND (o.state IN (2, 3)) IS NOT TRUE;

-- name: ticket_not_as_ordered
-- Invariant 4: a ticket has the tier and the price of the item it was issued for.
SELECT t.shard_id, t.ticket_id, t.seat_no, t.tier, t.price_minor, i.tier AS item_tier, i.face_minor + i.fee_minor AS item_minor
FROM ticket t
JOIN order_item i
    ON i.shard_id = t.order_shard_id AND i.order_id = t.order_id
    AND i.seat_shard_id = t.shard_id AND i.seat_no = t.seat_no
WHERE t.state IN (1, 2) AND (t.tier <> i.tier OR t.price_minor <> i.face_minor + i.fee_minor);

-- name: order_captured_twice
-- Invariant 4: an order is captured, or being captured, at most once, whatever was retried.
SELECT shard_id, order_id, count(*) AS captures
FROM payment WHERE state IN (2, 3)
GROUP BY shard_id, order_id HAVING count(*) > 1;

-- name: order_without_its_payment
-- Invariant 4, no tickets without money: a paid order has a payment that is being captured, a confirmed one a captured payment.
SELECT o.shard_id, o.order_id, o.state, o.total_minor
FROM orders o
LEFT JOIN payment p ON p.shard_id = o.shard_id AND p.order_id = o.order_id AND p.state = o.state
WHERE o.state IN (2, 3) AND o.total_minor > 0 AND p.attempt IS NULL;

-- name: payment_without_its_tickets
-- Invariant 4, no money without tickets: what is or is being captured belongs to an order with as many valid tickets as items.
SELECT p.shard_id, p.order_id, p.attempt, p.state, tickets.count AS tickets, items.count AS items
FROM payment p
CROSS JOIN LATERAL (
    SELECT count(*) FROM order_item i WHERE i.shard_id = p.shard_id AND i.order_id = p.order_id
) AS items
CROSS JOIN LATERAL (
    SELECT count(*)
    FROM order_item i
    JOIN ticket t
        ON t.shard_id = i.seat_shard_id AND t.seat_no = i.seat_no
        AND t.order_shard_id = i.shard_id AND t.order_id = i.order_id AND t.state IN (1, 2)
    WHERE i.shard_id = p.shard_id AND i.order_id = p.order_id
) AS tickets
WHERE p.state IN (2, 3) AND (tickets.count = 0 OR tickets.count <> items.count);

-- name: payment_ended_but_tickets_valid
-- Invariant 4: where every attempt was declined, voided, refunded or not captured, no ticket is valid.
SELECT p.shard_id, p.order_id, count(DISTINCT t.ticket_id) AS tickets
FROM payment p
JOIN ticket t ON t.order_shard_id = p.shard_id AND t.order_id = p.order_id AND t.state IN (1, 2)
GROUP BY p.shard_id, p.order_id HAVING bool_and(p.state IN (4, 6, 8, 9));

-- name: payment_under_way_too_long
-- Invariant 4: every payment ends. Counted from its beginning: the reconciler touches `updated_at` with every try.
SELECT shard_id, order_id, attempt, state, created_at, updated_at
FROM payment
WHERE state IN (1, 2, 5, 7) AND created_at < statement_timestamp() - make_interval(secs => %(stuck_after_s)s);

-- name: payment_of_another_amount
-- Invariant 4: what is charged is what the order says, in its currency; and no payment is without an order.
SELECT p.shard_id, p.order_id, p.attempt, p.amount_minor, p.currency, o.total_minor, o.currency AS order_currency
FROM payment p
LEFT JOIN orders o ON o.shard_id = p.shard_id AND o.order_id = p.order_id
WHERE (p.amount_minor = o.total_minor AND p.currency = o.currency) IS NOT TRUE;

-- name: order_total_not_its_items
-- Invariant 4: an order costs what its items cost.
SELECT o.shard_id, o.order_id, o.face_minor, o.fee_minor, sum(i.face_minor) AS item_face_minor, sum(i.fee_minor) AS item_fee_minor
FROM orders o
LEFT JOIN order_item i ON i.shard_id = o.shard_id AND i.order_id = o.order_id
GROUP BY o.shard_id, o.order_id, o.face_minor, o.fee_minor
HAVING (sum(i.face_minor) = o.face_minor AND sum(i.fee_minor) = o.fee_minor) IS NOT TRUE;

-- name: buyer_bought_not_their_tickets
-- Invariant 1, limits per person: `bought` is the number of valid tickets of the person's orders.
WITH owned AS (
    SELECT t.shard_id, o.person, count(*) AS tickets
    FROM ticket t
    JOIN orders o ON o.shard_id = t.order_shard_id AND o.order_id = t.order_id
    WHERE t.state IN (1, 2)
    GROUP BY t.shard_id, o.person
)
SELECT shard_id, person, b.bought, owned.tickets
FROM buyer b FULL JOIN owned USING (shard_id, person)
WHERE coalesce(b.bought, 0) <> coalesce(owned.tickets, 0);

-- name: buyer_over_the_limit
-- Invariant 1, limits per person: bought and live held seats together stay within what the sale allows a person.
WITH held AS (
    SELECT shard_id, person, sum(cardinality(seats)) AS seats
    FROM hold WHERE state = 1 AND expires_at > statement_timestamp()
    GROUP BY shard_id, person
)
SELECT shard_id, person, b.bought, held.seats AS held, s.seats_per_person
FROM buyer b FULL JOIN held USING (shard_id, person) JOIN sale s USING (shard_id)
WHERE coalesce(b.bought, 0) + coalesce(held.seats, 0) > s.seats_per_person;

-- name: hold_over_the_limit
-- Invariant 1, limits per hold: a live hold has no more seats than the sale allows, each once.
SELECT h.shard_id, h.hold_id, cardinality(h.seats) AS seats, s.seats_per_hold
FROM hold h JOIN sale s USING (shard_id)
WHERE h.state = 1 AND (
    cardinality(h.seats) > s.seats_per_hold
    OR cardinality(h.seats) <> (SELECT count(DISTINCT seat_no) FROM unnest(h.seats) AS seat_no)
);

-- name: buyer_with_two_holds
-- Invariant 1, limits per person: one live hold per person, unless the sale allows several.
SELECT h.shard_id, h.person, count(*) AS holds
FROM hold h JOIN sale s USING (shard_id)
WHERE h.state = 1 AND h.expires_at > statement_timestamp() AND NOT s.several_holds
GROUP BY h.shard_id, h.person HAVING count(*) > 1;

-- name: hold_unknown_to_its_buyer
-- Invariant 1, limits per person: a live hold stands in its person's row, which is what the limits are counted from.
SELECT h.shard_id, h.hold_id, h.person, b.holds
FROM hold h
LEFT JOIN buyer b ON b.shard_id = h.shard_id AND b.person = h.person
WHERE h.state = 1 AND h.expires_at > statement_timestamp() AND (h.hold_id = ANY (b.holds)) IS NOT TRUE;

-- name: sale_seats_not_laid_down
-- Invariant 7: the map has every seat of the sale, numbered from 0 without gaps.
SELECT shard_id, s.seats, laid.seats AS laid_down, laid.first, laid.last
FROM sale s
FULL JOIN (
    SELECT shard_id, count(*) AS seats, min(seat_no) AS first, max(seat_no) AS last FROM seat GROUP BY shard_id
) AS laid USING (shard_id)
WHERE (laid.seats = s.seats AND laid.first = 0 AND laid.last = s.seats - 1) IS NOT TRUE;

-- name: change_not_told
-- Invariant 7: every change of a seat was told once, in a fact with the number it came to have, and the last one told is
-- the seat as it is. Numbers from 1 without gaps have the highest for their count, and a sum that is known. Only for sales
-- whose first fact is still kept: facts are deleted by age, so then none is missing. The state is packed below the number,
-- so that the last one told is a plain maximum: facts are many millions, and sorting them would take minutes.
WITH told AS (
    SELECT f.shard_id, (pair ->> 0)::integer AS seat_no, count(*) AS times, sum((pair ->> 1)::integer) AS total,
           max((pair ->> 1)::bigint * 4 + CASE f.kind
               WHEN 'SeatsReleased' THEN 0 WHEN 'SeatsHeld' THEN 1 WHEN 'SeatsSold' THEN 2 ELSE 3 END) AS last
    FROM fact f
    CROSS JOIN jsonb_array_elements(f.body -> 'seats') AS pair
    WHERE f.kind IN ('SeatsHeld', 'SeatsReleased', 'SeatsSold', 'SeatsBlocked')
    GROUP BY f.shard_id, (pair ->> 0)::integer
)
SELECT s.shard_id, s.seat_no, s.state, s.change_no, told.times, told.last >> 2 AS told_change_no, told.last & 3 AS told_state
FROM seat s
LEFT JOIN told ON told.shard_id = s.shard_id AND told.seat_no = s.seat_no
WHERE s.shard_id IN (SELECT shard_id FROM fact WHERE kind = 'SaleLaidDown')
    AND (s.change_no <> coalesce(told.times, 0) OR s.change_no <> coalesce(told.last >> 2, 0)
        OR s.change_no::bigint * (s.change_no + 1) / 2 <> coalesce(told.total, 0) OR s.state <> coalesce(told.last & 3, s.state));

-- name: order_not_told
-- Invariant 4, tickets reach the fan: a paid order was told as paid once, a confirmed one as captured once; mails and PDFs
-- hang on these facts. Only for orders made after the oldest fact that is still kept.
SELECT o.shard_id, o.order_id, o.state, told.paid, told.captured
FROM orders o
LEFT JOIN (
    SELECT shard_id, (body ->> 'order_id')::bigint AS order_id,
           count(*) FILTER (WHERE kind = 'OrderPaid') AS paid, count(*) FILTER (WHERE kind = 'PaymentCaptured') AS captured
    FROM fact WHERE kind IN ('OrderPaid', 'PaymentCaptured')
    GROUP BY shard_id, (body ->> 'order_id')::bigint
) AS told ON told.shard_id = o.shard_id AND told.order_id = o.order_id
WHERE o.state IN (2, 3) AND o.created_at > (SELECT min(at) FROM fact)
    AND (told.paid = 1 AND told.captured = CASE o.state WHEN 3 THEN 1 ELSE 0 END) IS NOT TRUE;

-- name: looked_at
-- No check: how much there was to look at, since nothing is wrong with an empty house.
SELECT
    (SELECT count(*) FROM seat) AS seats,
    (SELECT count(*) FROM hold) AS holds,
    (SELECT count(*) FROM orders) AS orders,
    (SELECT count(*) FROM payment) AS payments,
    (SELECT count(*) FROM ticket) AS tickets;

-- name: payments
-- No check: what the gateway's book is held against. An order of 0 needs no gateway.
SELECT shard_id, order_id, attempt, state, amount_minor, currency FROM payment WHERE amount_minor > 0;

-- name: holds_of_sale
-- No check: what the answers that clients got are held against. A hold's bound is its first deadline and the longest
-- extension, so the time it was made at need not be kept.
SELECT h.hold_id, h.person, h.state, h.seats,
       (extract(epoch FROM h.max_until - make_interval(secs => s.hold_s + %(extension_s)s)) * 1000000)::bigint AS made_us,
       (extract(epoch FROM h.expires_at) * 1000000)::bigint AS expires_us
FROM hold h JOIN sale s USING (shard_id)
WHERE h.shard_id = %(shard_id)s
ORDER BY h.hold_id;

-- name: changes_of_sale
-- No check: every change of every seat, a seat at a time. A fact is written before it is true; when it became true is
-- known only where PostgreSQL notes the times of its commits.
SELECT (pair ->> 0)::integer AS seat_no, (pair ->> 1)::integer AS change_no, f.kind,
       (extract(epoch FROM f.at) * 1000000)::bigint AS at_us,
       (extract(epoch FROM CASE WHEN current_setting('track_commit_timestamp') = 'on'
                                THEN coalesce(pg_xact_commit_timestamp(f.xid::xid), f.at) ELSE f.at END)
        * 1000000)::bigint AS committed_us
FROM fact f
CROSS JOIN jsonb_array_elements(f.body -> 'seats') AS pair
WHERE f.shard_id = %(shard_id)s AND f.kind IN ('SeatsHeld', 'SeatsReleased', 'SeatsSold', 'SeatsBlocked')
ORDER BY 1, 2;
