/* The table's rows under nrrsim's names, in types that every warehouse has. Each :word stands for
   the column that is read as it; of a word without one it stands for what holds instead. */
SELECT
    CAST(:customer AS TEXT) AS customer,
    CAST(:name AS TEXT) AS name,
    :month AS month,
    CAST(:segment AS TEXT) AS segment,
    CAST(:product AS TEXT) AS product,
    /* what tells a customer's lines apart, to find what does not recur */
    :items AS items,
    CAST(:label AS TEXT) AS label,
    UPPER(TRIM(CAST(:currency AS TEXT))) AS currency,
    :amount AS amount,
    /* ARR in the row's currency */
    :amount * :times AS own,
    CAST(:quantity AS DOUBLE PRECISION) AS quantity,
    CAST(:unit_price AS DOUBLE PRECISION) AS unit_price
FROM ledger
