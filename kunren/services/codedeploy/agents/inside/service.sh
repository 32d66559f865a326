#!/bin/sh
# The CodeDeploy agent as a service: start, stop, restart, status.
home=/opt/codedeploy-agent
pidfile=$home/state/.pid/codedeploy-agent.pid

running() {
    [ -f $pidfile ] && kill -0 "$(cat $pidfile)" 2> /dev/null && grep -q codedeploy_agent "/proc/$(cat $pidfile)/cmdline"
}

case "$1" in
start)
    running && exit 0
    mkdir -p $home/state/.pid
    cd $home
    PYTHONPATH=$home/lib setsid python3 -m codedeploy_agent.program < /dev/null > /dev/null 2>> /var/log/codedeploy-agent.err &
    echo $! > $pidfile
    ;;
stop)
    running && kill "$(cat $pidfile)"
    rm -f $pidfile
    ;;
restart)
    "$0" stop
    "$0" start
    ;;
status)
    if running; then
        echo "The AWS CodeDeploy agent is running as PID $(cat $pidfile)"
    else
        echo "No AWS CodeDeploy agent running"
        exit 3
    fi
    ;;
*)
    echo "Usage: $0 {start|stop|restart|status}"
    exit 1
    ;;
esac
