/* A ledger of customer-months in; out its months, labels and currencies, each with its rows, and how
   many rows break a rule; changes nothing. No customer's name leaves the warehouse.

   The rules are those of check.py: a row of `finding` names one, with how often it is broken. */
WITH written AS (
    SELECT
        customer, name, month, segment, product, items, label, currency, amount, own, quantity,
        unit_price
    FROM ledger /* in its place: written.sql */
), steps AS (
    SELECT step FROM written /* in its place: steps.sql */
), of_rows AS (
    SELECT
        COUNT(*) AS n,
        SUM(CASE WHEN TRIM(customer) <> '' THEN 0 ELSE 1 END) AS customer_empty,
        SUM(CASE WHEN TRIM(segment) <> '' THEN 0 ELSE 1 END) AS segment_empty,
        SUM(CASE WHEN TRIM(product) <> '' THEN 0 ELSE 1 END) AS product_empty,
        SUM(CASE WHEN TRIM(currency) <> '' THEN 0 ELSE 1 END) AS currency_empty,
        SUM(CASE WHEN month IS NULL THEN 1 ELSE 0 END) AS month_date,
        SUM(CASE WHEN amount IS NULL THEN 1 ELSE 0 END) AS amount_empty,
        SUM(CASE WHEN amount < 0 THEN 1 ELSE 0 END) AS amount_sign,
        /* not a number and infinite are not below the bound either */
        SUM(CASE WHEN amount IS NULL OR own < :most THEN 0 ELSE 1 END) AS amount_size,
        SUM(
            CASE WHEN quantity IS NULL OR (quantity >= 0 AND quantity < :most) THEN 0 ELSE 1 END
        ) AS quantity_number,
        SUM(
            CASE WHEN unit_price IS NULL OR (unit_price >= 0 AND unit_price < :most)
            THEN 0 ELSE 1 END
        ) AS unit_price_number,
        SUM(
            CASE WHEN STRPOS(customer, CHR(9)) + STRPOS(customer, CHR(10))
                + STRPOS(customer, CHR(13)) > 0
            THEN 1 ELSE 0 END
        ) AS text_invisible,
        SUM(CASE WHEN ABS(own) < 0.005 THEN 1 ELSE 0 END) AS zeros,
        /* where these are not the amount, what is price cannot be told from the rest */
        SUM(
            CASE WHEN ABS(quantity * unit_price - amount) > 0.005 + 0.005 * ABS(quantity)
            THEN 1 ELSE 0 END
        ) AS off
    FROM written
), of_keys AS (
    SELECT COUNT(*) AS n
    FROM (
        SELECT customer FROM written GROUP BY customer, month, product HAVING COUNT(*) > 1
    ) AS twice
), of_segments AS (
    SELECT COUNT(*) AS n
    FROM (
        SELECT customer FROM written GROUP BY customer, month HAVING MIN(segment) <> MAX(segment)
    ) AS several
), of_items AS (
    /* what is paid once does not recur */
    SELECT COUNT(*) AS n FROM written WHERE :one_off
), labels AS (
    SELECT :label AS label FROM written WHERE ABS(own) >= 0.005
), months AS (
    SELECT
        month,
        COUNT(*) AS n,
        SUM(CASE WHEN ABS(own) >= 0.005 THEN own ELSE 0 END) AS amount,
        COUNT(DISTINCT CASE WHEN own >= 0.005 THEN customer END) AS customers
    FROM written
    GROUP BY month
), customer_months AS (
    SELECT customer, month, SUM(own) AS amount FROM written GROUP BY customer, month
), beside AS (
    SELECT
        customer, month, amount,
        month - LAG(month) OVER (PARTITION BY customer ORDER BY month) AS gap,
        CASE WHEN amount >= 0.005 THEN month END - MAX(CASE WHEN amount >= 0.005 THEN month END)
            OVER (
                PARTITION BY customer ORDER BY month
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS gap_of_paid
    FROM customer_months
), customers AS (
    SELECT
        beside.customer,
        COUNT(*) AS months,
        MAX(beside.month) - MIN(beside.month) AS life,
        SUM(CASE WHEN beside.amount >= 0.005 THEN 1 ELSE 0 END) AS months_paid,
        SUM(
            CASE WHEN gap_of_paid IN (3, 6, 12) AND gap_of_paid > step THEN 0
                WHEN gap_of_paid IS NULL THEN 0 ELSE 1 END
        ) AS other_gaps,
        SUM(beside.amount) AS amount,
        /* in how many months there are enough others to add up, and in how many the customer is
           as much as all others together */
        SUM(CASE WHEN months.customers > 2 THEN 1 ELSE 0 END) AS months_of_several,
        SUM(
            CASE WHEN ABS(2 * beside.amount - months.amount) <= CASE
                WHEN 0.000000001 * (months.amount - beside.amount) > 0.005
                THEN 0.000000001 * (months.amount - beside.amount) ELSE 0.005
            END
            THEN 1 ELSE 0 END
        ) AS months_of_half
    FROM beside
    INNER JOIN months ON months.month = beside.month
    CROSS JOIN steps
    GROUP BY beside.customer
), of_lives AS (
    /* a log of changes has few of the months of a life, and payments stand 3, 6 or 12 apart */
    SELECT
        SUM(CASE WHEN months > 1 THEN 1 ELSE 0 END) AS several,
        SUM(
            CASE WHEN months > 1 AND 2 * months * step < life + step
                AND NOT (months_paid >= 3 AND other_gaps = 0)
            THEN 1 ELSE 0 END
        ) AS changing,
        SUM(CASE WHEN months_paid >= 3 AND other_gaps = 0 THEN 1 ELSE 0 END) AS paying,
        SUM(CASE WHEN months_paid >= 3 AND other_gaps = 0 THEN amount ELSE 0 END) AS amount_paid,
        SUM(amount) AS amount,
        SUM(
            CASE WHEN months_of_several >= 3 AND months_of_half = months THEN 1 ELSE 0 END
        ) AS sums,
        SUM(CASE WHEN :says_total THEN 1 ELSE 0 END) AS totals
    FROM customers
    CROSS JOIN steps
), of_ids AS (
    /* ids that differ by zeros alone, as a spreadsheet drops them */
    SELECT COUNT(*) AS n
    FROM (
        SELECT id
        FROM (
            SELECT
                TRIM(
                    LEADING '0' FROM
                    CASE WHEN customer LIKE '%.0' THEN SUBSTRING(customer, 1, LENGTH(customer) - 2)
                    ELSE customer END
                ) AS id
            FROM customers
        ) AS without_zeros
        GROUP BY id
        HAVING COUNT(*) > 1
    ) AS alike
), names AS (
    /* each id's life under a name */
    SELECT name, customer, MIN(month) AS begins, MAX(month) AS ends
    FROM written
    WHERE name IS NOT NULL
    GROUP BY name, customer
), of_names AS (
    /* a name that goes on under another id, in the snapshot in which the first ended or the next */
    SELECT COUNT(*) AS n
    FROM (
        SELECT
            LEAD(begins) OVER (PARTITION BY name ORDER BY begins, ends, customer) - ends AS apart
        FROM names
    ) AS following
    CROSS JOIN steps
    WHERE apart >= 0 AND apart <= step
)
SELECT 'month' AS what, '' AS name, month, n, amount FROM months WHERE month IS NOT NULL
UNION ALL
SELECT 'segment', segment, 0, COUNT(*), 0 FROM written WHERE ABS(own) >= 0.005 GROUP BY segment
UNION ALL
SELECT 'label', label, 0, COUNT(*), 0 FROM labels GROUP BY label
UNION ALL
SELECT 'currency', currency, month, COUNT(*), 0 FROM written WHERE ABS(own) >= 0.005
GROUP BY currency, month
UNION ALL SELECT 'rows', '', 0, n, 0 FROM of_rows
UNION ALL SELECT 'zeros', '', 0, zeros, 0 FROM of_rows
UNION ALL SELECT 'off', '', 0, off, 0 FROM of_rows
UNION ALL SELECT 'finding', 'customer.empty', 0, customer_empty, 0 FROM of_rows
UNION ALL SELECT 'finding', 'segment.empty', 0, segment_empty, 0 FROM of_rows
UNION ALL SELECT 'finding', 'product.empty', 0, product_empty, 0 FROM of_rows
UNION ALL SELECT 'finding', 'currency.empty', 0, currency_empty, 0 FROM of_rows
UNION ALL SELECT 'finding', 'month.date', 0, month_date, 0 FROM of_rows
UNION ALL SELECT 'finding', 'amount.empty', 0, amount_empty, 0 FROM of_rows
UNION ALL SELECT 'finding', 'amount.sign', 0, amount_sign, 0 FROM of_rows
UNION ALL SELECT 'finding', 'amount.size', 0, amount_size, 0 FROM of_rows
UNION ALL SELECT 'finding', 'quantity.number', 0, quantity_number, 0 FROM of_rows
UNION ALL SELECT 'finding', 'unit_price.number', 0, unit_price_number, 0 FROM of_rows
UNION ALL SELECT 'finding', 'text.invisible', 0, text_invisible, 0 FROM of_rows
UNION ALL SELECT 'finding', 'key.once', 0, n, 0 FROM of_keys
UNION ALL SELECT 'finding', 'segment.one', 0, n, 0 FROM of_segments
UNION ALL SELECT 'finding', 'one_off', 0, n, 0 FROM of_items
UNION ALL SELECT 'finding', 'ids', 0, n, 0 FROM of_ids
UNION ALL SELECT 'finding', 'names', 0, n, 0 FROM of_names
UNION ALL SELECT 'finding', 'totals', 0, totals + sums, 0 FROM of_lives
UNION ALL SELECT 'life', 'several', 0, several, 0 FROM of_lives
UNION ALL SELECT 'life', 'changing', 0, changing, 0 FROM of_lives
UNION ALL SELECT 'life', 'paying', 0, paying, amount_paid FROM of_lives
UNION ALL SELECT 'life', 'all', 0, 0, amount FROM of_lives
