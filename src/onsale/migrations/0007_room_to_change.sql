-- Room in each page for new versions of its rows, so that holding and selling a seat leaves no row, and no index entry, in
-- another page. A held seat is 16 bytes longer than an untouched one, so that a page of seats that are all held must fit.
-- Holds for tables filled from now on; rows that are there stay where they are.
ALTER TABLE seat SET (fillfactor = 80);
ALTER TABLE buyer SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
