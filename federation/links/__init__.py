"""The forms of the Link port: in-process and AMQP."""
