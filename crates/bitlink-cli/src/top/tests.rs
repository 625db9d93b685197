//! Pictures at the sizes that people have, and what keys do.
