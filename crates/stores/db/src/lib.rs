//! Transactions over intent: named tables of small records, durable before the answer; knows no record.
