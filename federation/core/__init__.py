"""Pure parts both programs share: envelopes, attempts and leases, picture, matching, overflow policy, joins."""
