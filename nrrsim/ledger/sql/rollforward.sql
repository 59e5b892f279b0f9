/* A ledger of customer-months in, its roll-forward by label and month out; changes nothing.

   Written once, in the part of SQL that every warehouse has, and put into the warehouse's own words
   by sqlglot. A month is a whole number, year * 12 + month - 1. Amounts are ARR in the reporting
   currency, of which :worth is that of a row's. :start and :as_of are the months of the window,
   :grace the months that a renewal may be late, :label what customers are split by, and :of_month
   how a customer's month has it of its lines. The same rules in Python: rollforward.py. */
WITH written AS (
    SELECT customer, month, label, product, currency, amount, own, quantity, unit_price
    FROM ledger /* in its place: written.sql */
), steps AS (
    SELECT step FROM written /* in its place: steps.sql */
), known AS (
    /* what rounds to no cent a year is no amount, and nothing after :as_of is known; quantity and
       price count where they make up the amount: `units` is null where they do not */
    SELECT
        customer, month, product, own, currency, unit_price,
        own * :worth AS arr,
        label,
        CASE
            WHEN quantity * unit_price > 0
                AND ABS(quantity * unit_price - amount) <= 0.005 + 0.005 * ABS(quantity)
            THEN quantity
        END AS units
    FROM written
    WHERE ABS(own) >= 0.005 AND month <= :as_of
), paid AS (
    /* each customer's months, and the next one: what comes back in time has been late */
    SELECT
        customer, month,
        LEAD(month) OVER (PARTITION BY customer ORDER BY month) AS next_month
    FROM (SELECT DISTINCT customer, month FROM known) AS months_paid
), late AS (
    /* the months of a gap that is a late renewal: the customer is taken to have paid on */
    SELECT paid.customer, paid.month AS paid_month, named.month
    FROM paid
    CROSS JOIN steps
    INNER JOIN (SELECT DISTINCT month FROM written) AS named
        ON named.month > paid.month AND named.month < paid.next_month
    WHERE paid.next_month - paid.month > step AND paid.next_month - paid.month <= step + :grace
), firsts AS (
    SELECT customer, product, MIN(month) AS first_of_product FROM known GROUP BY customer, product
), since AS (
    SELECT customer, MIN(first_of_product) AS first_month FROM firsts GROUP BY customer
), lines AS (
    /* the months of the window, and those before it to which a renewal may be late */
    SELECT customer, month, label, product, own, arr, currency, unit_price, units
    FROM known
    WHERE month >= :start - :grace
    UNION ALL
    SELECT known.customer, late.month, label, product, own, arr, currency, unit_price, units
    FROM known
    INNER JOIN late ON late.customer = known.customer AND late.paid_month = known.month
    WHERE late.month >= :start - :grace
), dated AS (
    SELECT
        lines.customer, month, lines.product, own, arr, currency, unit_price, units, first_month,
        first_of_product,
        :label AS label
    FROM lines
    INNER JOIN firsts ON firsts.customer = lines.customer AND firsts.product = lines.product
    INNER JOIN since ON since.customer = lines.customer
), neighbours AS (
    /* each line beside the same line's row before it */
    SELECT
        customer, month, label, product, own, arr, currency, unit_price, units, first_month,
        first_of_product,
        LAG(month) OVER (PARTITION BY customer, product ORDER BY month) AS month_before,
        LAG(own) OVER (PARTITION BY customer, product ORDER BY month) AS own_before,
        LAG(arr) OVER (PARTITION BY customer, product ORDER BY month) AS arr_before,
        LAG(currency) OVER (PARTITION BY customer, product ORDER BY month) AS currency_before,
        LAG(unit_price) OVER (PARTITION BY customer, product ORDER BY month) AS price_before,
        LAG(units) OVER (PARTITION BY customer, product ORDER BY month) AS units_before,
        ROW_NUMBER() OVER (PARTITION BY customer, month ORDER BY arr DESC, product) AS size_rank
    FROM dated
), priced AS (
    /* what a higher price adds, line by line: by the prices where they are of one currency and
       interval, else by what one unit comes to in ARR */
    SELECT
        customer, month, label, product, arr, units, first_month, first_of_product, size_rank,
        CASE
            WHEN units IS NULL OR units_before IS NULL OR month - month_before > step + :grace
            THEN 0
            WHEN currency = currency_before
                AND ABS(
                    (own / (units * unit_price)) / (own_before / (units_before * price_before)) - 1
                ) < 0.02
            THEN units * (unit_price - price_before) * (arr / (units * unit_price))
            ELSE units * (arr / units - arr_before / units_before)
        END AS rise
    FROM neighbours
    CROSS JOIN steps
), customer_months AS (
    /* one row a customer and month, whatever lines it has; its label is the largest line's, a size
       band that of their sum */
    SELECT
        customer, month,
        SUM(arr) AS arr,
        :of_month AS label,
        MIN(label) AS first_label,
        MAX(label) AS last_label,
        SUM(CASE WHEN rise > 0 THEN rise ELSE 0 END) AS price,
        SUM(CASE WHEN month = first_of_product THEN arr ELSE 0 END) AS of_new_products,
        MIN(first_month) AS first_month,
        MIN(CASE WHEN units IS NULL THEN 0 ELSE 1 END) AS says_units
    FROM priced
    GROUP BY customer, month
), beside AS (
    /* each customer-month beside the customer's months before and after it */
    SELECT
        customer, month, arr, label, first_label, last_label, price, of_new_products, says_units,
        first_month,
        LAG(month) OVER (PARTITION BY customer ORDER BY month) AS month_before,
        LAG(arr) OVER (PARTITION BY customer ORDER BY month) AS arr_before,
        LAG(says_units) OVER (PARTITION BY customer ORDER BY month) AS said_units,
        LEAD(month) OVER (PARTITION BY customer ORDER BY month) AS next_month,
        MIN(CASE WHEN month >= :start THEN month END) OVER (PARTITION BY customer) AS from_month,
        MAX(CASE WHEN month = :start THEN arr END) OVER (PARTITION BY customer) AS base,
        SUM(CASE WHEN month >= :start THEN 1 ELSE 0 END) OVER (
            PARTITION BY customer ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS months_there
    FROM customer_months
), labelled AS (
    /* a customer keeps the label of the month that it is looked at from */
    SELECT
        customer, month, arr, base, month_before, next_month, first_month, step,
        MAX(CASE WHEN month = from_month THEN label END) OVER (PARTITION BY customer) AS label,
        CASE WHEN base IS NULL THEN 0 ELSE 1 END AS in_cohort,
        CASE
            WHEN month = from_month AND first_label <> last_label THEN 1 ELSE 0
        END AS is_apart,
        /* never at 0 since the start of the window */
        CASE
            WHEN base IS NOT NULL AND (months_there - 1) * step = month - :start THEN 1 ELSE 0
        END AS stayed,
        /* against the row before, if that is of the snapshot before */
        CASE WHEN month - month_before = step THEN arr - arr_before ELSE 0 END AS change,
        CASE WHEN month - month_before = step THEN price ELSE 0 END AS price,
        CASE WHEN month - month_before = step THEN arr_before ELSE 0 END AS arr_before,
        of_new_products,
        CASE WHEN says_units = 1 AND said_units = 1 THEN 1 ELSE 0 END AS is_explained
    FROM beside
    CROSS JOIN steps
), split AS (
    /* the change less what is price: a billionth is rounding, and no movement */
    SELECT
        customer, month, arr, base, month_before, next_month, first_month, step, label, in_cohort,
        is_apart, stayed, change, price, of_new_products, is_explained,
        CASE
            WHEN ABS(change - price) > 0.000000001 * CASE
                WHEN arr > arr_before THEN arr ELSE arr_before
            END
            THEN change - price ELSE 0
        END AS rest
    FROM labelled
    WHERE month >= :start
), booked AS (
    SELECT
        label, in_cohort, month, is_apart,
        arr AS closing,
        CASE WHEN base IS NULL THEN 0 WHEN arr < base THEN arr ELSE base END AS retained,
        stayed,
        CASE WHEN month = first_month THEN arr ELSE 0 END AS new,
        CASE
            WHEN month > first_month AND (month_before IS NULL OR month - month_before > step)
            THEN arr ELSE 0
        END AS reactivation,
        CASE WHEN rest = 0 AND price > 0 THEN change ELSE price END AS price,
        CASE
            WHEN rest <= 0 THEN 0 WHEN rest < of_new_products THEN rest ELSE of_new_products
        END AS cross_sell,
        CASE WHEN rest > of_new_products THEN rest - of_new_products ELSE 0 END AS remainder,
        is_explained,
        CASE WHEN rest < 0 THEN -rest ELSE 0 END AS contraction,
        0 AS churn,
        1 AS customers
    FROM split
    UNION ALL
    /* gone in the first snapshot without the customer; who is there at :as_of is not gone */
    SELECT
        label, in_cohort, month + step, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, arr, 0
    FROM split
    WHERE month < :as_of AND (next_month IS NULL OR next_month - month > step)
)
SELECT
    label, in_cohort, month,
    SUM(closing) AS closing,
    SUM(retained) AS retained,
    SUM(CASE WHEN stayed = 1 THEN closing ELSE 0 END) AS stayed,
    SUM(CASE WHEN stayed = 1 THEN retained ELSE 0 END) AS stayed_retained,
    SUM(customers) AS customers,
    SUM(stayed) AS stayed_customers,
    SUM(new) AS new,
    SUM(CASE WHEN is_explained = 1 THEN remainder ELSE 0 END) AS adoption,
    SUM(cross_sell) AS cross_sell,
    SUM(price) AS price,
    SUM(CASE WHEN is_explained = 1 THEN 0 ELSE remainder END) AS unsplit,
    SUM(reactivation) AS reactivation,
    SUM(contraction) AS contraction,
    SUM(churn) AS churn,
    SUM(is_apart) AS apart
FROM booked
GROUP BY label, in_cohort, month
ORDER BY label, in_cohort, month
