-- What a large queue is counted by: with domain and state in them the indexes alone answer.
DROP INDEX delivery_waiting;
CREATE INDEX delivery_waiting ON delivery (due_at, domain_id, state) WHERE state = 1;
DROP INDEX delivery_leased;
CREATE INDEX delivery_leased ON delivery (leased_until, domain_id, state) WHERE state = 2;
CREATE INDEX delivery_held ON delivery (domain_id, state) WHERE state = 3;
-- What was accepted in the last hour, asked at each start: without a look at the letters' heads.
CREATE INDEX message_accepted ON message (received_at, recipients) WHERE flow <> '<> report';
