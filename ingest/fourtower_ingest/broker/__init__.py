"""The door to Kafka: nothing outside this package imports its client, and no error of it leaves untranslated."""
