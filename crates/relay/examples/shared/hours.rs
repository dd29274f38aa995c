//! What the hours of endpoints are held to.

/// How many rows of `endpoint_hour` and sums of `attempt` are not alike.
pub(crate) const UNLIKE: &str = "
    WITH sums AS (
        SELECT app, endpoint, created_at / 3600000000, sum(status = 0), sum(status = 2), sum(status = 4)
        FROM attempt GROUP BY 1, 2, 3)
    SELECT (SELECT count(*) FROM (SELECT * FROM sums EXCEPT SELECT * FROM endpoint_hour))
         + (SELECT count(*) FROM (SELECT * FROM endpoint_hour EXCEPT SELECT * FROM sums))";
