#!/bin/sh
# Installs the CodeDeploy agent in this instance and starts it, now and at each boot.
set -e
home=/opt/codedeploy-agent
command -v python3 > /dev/null || { echo "The CodeDeploy agent needs python3, which this image has not." >&2; exit 1; }
mkdir -p $home/state/.pid $home/deployment-root /etc/init.d /etc/codedeploy-agent/conf /var/lib/cloud/scripts/per-boot
python3 - << 'END'
import io, tarfile, urllib.request
url = "https://aws-codedeploy-@REGION@.s3.@REGION@.amazonaws.com/latest/codedeploy-agent.tar.gz"
tarfile.open(fileobj=io.BytesIO(urllib.request.urlopen(url, timeout=60).read())).extractall("/opt/codedeploy-agent")
END
cp $home/init.d/codedeploy-agent /etc/init.d/codedeploy-agent
cat > /etc/codedeploy-agent/conf/codedeployagent.yml << 'END'
---
:log_dir: '/var/log/aws/codedeploy-agent/'
:pid_dir: '/opt/codedeploy-agent/state/.pid/'
:program_name: codedeploy-agent
:root_dir: '/opt/codedeploy-agent/deployment-root'
END
cat > /var/lib/cloud/scripts/per-boot/codedeploy-agent << 'END'
#!/bin/sh
exec /etc/init.d/codedeploy-agent start
END
chmod 755 /var/lib/cloud/scripts/per-boot/codedeploy-agent
/etc/init.d/codedeploy-agent start
