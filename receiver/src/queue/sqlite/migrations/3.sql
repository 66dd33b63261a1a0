-- Version 3: dedupe keys that have expired are found by going round the table, a part each minute. An index by time
-- cost each lead an entry on its way in.

DROP INDEX dedupe_expiry;
