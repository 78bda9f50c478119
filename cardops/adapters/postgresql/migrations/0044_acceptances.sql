-- Which acceptances were given to a batch lately. The table is small: it holds what people sent.
create index evidence_packages_accepted on evidence_packages (sent_at) where action = 'accept';
