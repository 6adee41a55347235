# perl: regular expressions, files, processes, pipes, signals, sockets and sorting.
use strict; use warnings; $| = 1;
use POSIX qw(:sys_wait_h floor strftime); use File::Temp qw(tempdir); use File::Find; use Socket; use IO::Handle; use Time::HiRes qw(usleep alarm); use Fcntl ':flock'; use List::Util qw(sum shuffle);
my %count; $count{$_}++ for split //, "mississippi"; print join(" ", map { "$_=$count{$_}" } sort keys %count), "\n";
print "match $1 $2\n" if "key=value" =~ /^(\w+)=(\w+)$/; (my $t = "aXbXc") =~ s/X/-/g; print "$t\n"; print sum(1 .. 100), " ", floor(3.7), " ", sprintf("%.4f", atan2(1, 1) * 4), "\n";
my $dir = tempdir(CLEANUP => 1); for my $i (1 .. 3) { open my $fh, '>', "$dir/f$i" or die; print $fh "line $_\n" for 1 .. $i; close $fh; }
my @found; find(sub { push @found, "$_:" . -s $_ if -f }, $dir); print join(" ", sort @found), "\n";
opendir my $dh, $dir; print join(" ", sort grep { !/^\./ } readdir $dh), "\n"; closedir $dh; rename "$dir/f1", "$dir/g"; print -e "$dir/g" ? "renamed\n" : "no\n"; unlink "$dir/g"; print -e "$dir/g" ? "there\n" : "gone\n";
my $pid = fork; if (!$pid) { exit 7 } waitpid $pid, 0; print "child ", $? >> 8, "\n"; my $out = `echo from shell; exit 3`; print $out, $? >> 8, "\n"; open my $p, '-|', 'seq 5' or die; my @l = <$p>; close $p; print scalar @l, "\n"; open my $w, '|-', 'sort -r' or die; print $w "$_\n" for 1 .. 3; close $w;
my ($r, $wr); pipe $r, $wr; if (!fork) { close $r; print $wr "via pipe\n"; close $wr; exit 0 } close $wr; print <$r>; wait;
my $hits = 0; $SIG{USR1} = sub { $hits++ }; kill 'USR1', $$ for 1 .. 3; print "hits $hits\n"; $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 0.05; sleep 5; }; print "ended by $@"; $SIG{CHLD} = 'IGNORE'; if (!fork) { exit 1 } print wait, "\n"; $SIG{CHLD} = 'DEFAULT';
my ($sa, $sb); socketpair $sa, $sb, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die; $sa->autoflush(1); print $sa "hello socket\n"; print scalar <$sb>; open my $lock, '>', "$dir/lock"; print flock($lock, LOCK_EX | LOCK_NB) ? "locked\n" : "busy\n"; print strftime("%Y-%m-%d", gmtime 86400), "\n"; my @s = sort { $a <=> $b } map { ($_ * 7919) % 1000 } 1 .. 1000; print "$s[0] $s[999]\n"; local $/; open my $self, '<', $0; my $text = <$self>; print length($text) > 1000 ? "read self\n" : "short\n"; print "$ENV{HOME} @ARGV\n"; system 'kill -9 $$'; print $? & 127, "\n"; die "last words\n";
