//! Arrow tables with units, kept as Parquet.
