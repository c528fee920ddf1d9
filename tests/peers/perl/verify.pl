# Verifies the DKIM signatures of the message on standard input with Mail::DKIM.
#
#   perl verify.pl keys FILE            FILE is JSON, {name: TXT record}; no other name exists
#   perl verify.pl server ADDRESS PORT  asks this name server
#
# Prints JSON: [{domain, selector, result, detail}], a row a signature, in the message's order.
use strict;
use warnings;
use JSON::PP;
use Mail::DKIM::Verifier;
use Net::DNS;

# A resolver that knows only the records that it is given.
package Records;

sub new { my ($class, $records) = @_; return bless { records => $records }, $class; }
sub errorstring { return 'NOERROR'; }

sub send {
    my ($self, $name, $type) = @_;
    my $answer = Net::DNS::Packet->new($name, $type);
    my $text = $self->{records}{ lc $name };
    if (defined $text && uc $type eq 'TXT') {
        my @pieces = unpack '(a255)*', $text;
        $answer->push(answer => Net::DNS::RR->new(
            owner => $name, type => 'TXT', ttl => 60, txtdata => \@pieces));
    } else {
        $answer->header->rcode(defined $text ? 'NOERROR' : 'NXDOMAIN');
    }
    return $answer;
}

package main;

my ($how, @where) = @ARGV;
if ($how eq 'keys') {
    open my $file, '<', $where[0] or die "$where[0]: $!\n";
    local $/;
    Mail::DKIM::DNS::resolver(Records->new(decode_json(<$file>)));
} elsif ($how eq 'server') {
    Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(
        nameservers => [$where[0]], port => $where[1],
        recurse => 0, udp_timeout => 5, tcp_timeout => 5, retry => 1, searchlist => []));
} else {
    die "keys or server, not $how\n";
}

binmode STDIN;
my $verifier = Mail::DKIM::Verifier->new;
while (my $line = <STDIN>) {
    $verifier->PRINT($line);
}
$verifier->CLOSE;
my @rows = map { {
    domain => $_->domain, selector => $_->selector,
    result => $_->result, detail => $_->result_detail,
} } $verifier->signatures;
print JSON::PP->new->canonical->encode(\@rows), "\n";
