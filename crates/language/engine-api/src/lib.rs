//! Docker Engine API requests, answers, errors and versions, defined once for daemon, client and tests; knows no HTTP.
