//! Dated copies of register entries and the facts a certificate shows of them.
