/* months between two snapshots, by all months that are named: 12, 3 or 1 */
SELECT
    CASE
        WHEN MIN(month) = MAX(month) THEN 1
        WHEN MAX(MOD(month, 12)) = MIN(MOD(month, 12)) THEN 12
        WHEN MAX(MOD(month, 3)) = MIN(MOD(month, 3)) THEN 3
        ELSE 1
    END AS step
FROM written
